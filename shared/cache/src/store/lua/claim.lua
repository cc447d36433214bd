-- Reads an answer with the generation it must be of, and takes the lock on making it where that is free.
-- KEYS: entry, generations, lock.  ARGV: token, milliseconds of the lock (0: take none), three generation fields.
local locked = 0
if tonumber(ARGV[2]) > 0 and redis.call('SET', KEYS[3], ARGV[1], 'NX', 'PX', ARGV[2]) then
  locked = 1
end
local generation = redis.call('HMGET', KEYS[2], '*', ARGV[3], ARGV[4], ARGV[5])
return { locked, redis.call('GET', KEYS[1]), generation[1] or '-', generation[2] or '-', generation[3] or '-', generation[4] or '-' }
