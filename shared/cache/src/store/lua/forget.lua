-- Ends a generation: what was begun before it is neither given nor kept any more.
-- KEYS: generations.  ARGV: field, new generation, milliseconds to remember it, fields at most.
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  -- Too many to remember one by one: everything of the tenant ends.
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '*', ARGV[2])
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
