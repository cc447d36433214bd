-- Lets a reservation go and takes over the ledger's total. Safe to repeat: the reservation goes once, the total only grows.
-- KEYS: state, held, expiry. ARGV: reservation, total of the ledger (0 when nothing was spent).
local amount = redis.call('HGET', KEYS[2], ARGV[1])
if amount then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'reserved', '-' .. amount)
end
-- Without a limit the state was lost; the next reservation seeds it from the ledger.
if redis.call('HEXISTS', KEYS[1], 'limit') == 1 then
  local spent = redis.call('HGET', KEYS[1], 'spent') or '0'
  if tonumber(ARGV[2]) > tonumber(spent) then redis.call('HSET', KEYS[1], 'spent', ARGV[2]) end
end
return 'ok'
