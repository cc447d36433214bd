-- Holds an amount if what is spent and held leaves room for it.
-- KEYS: state, held, expiry. ARGV: reservation, amount, now_ms, expires_ms.
-- Answers {"held" | "exceeded" | "stale", limit, spent, reserved}. Amounts stay below 2^53, so numbers are exact.
local limit = redis.call('HGET', KEYS[1], 'limit')
if not limit then return {'stale', '0', '0', '0'} end
if redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[3], 'LIMIT', 0, 1)[1] then
  -- Somebody's reservation ran out: it may have been spent unseen, so the ledger must be asked first.
  return {'stale', '0', '0', '0'}
end
local spent = redis.call('HGET', KEYS[1], 'spent') or '0'
local reserved = redis.call('HGET', KEYS[1], 'reserved') or '0'
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 1 then return {'held', limit, spent, reserved} end
if tonumber(spent) + tonumber(reserved) + tonumber(ARGV[2]) > tonumber(limit) then
  return {'exceeded', limit, spent, reserved}
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[1])
reserved = redis.call('HINCRBY', KEYS[1], 'reserved', ARGV[2])
return {'held', limit, spent, tostring(reserved)}
