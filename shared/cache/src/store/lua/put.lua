-- Keeps an answer, unless something it rests on has been forgotten since it was begun, and gives the lock back.
-- KEYS: entry, generations, lock, index, neighbourhood (or the entry again where there is none).
-- ARGV: 1 token, 2-4 generation fields, 5 generation, 6 bytes, 7 milliseconds to live, 8 now, 9 expires, 10 member of the index,
--       11 entries of a tenant at most, 12 prefix of the tenant's keys,
--       13 member of the neighbourhood (empty: none), 14 key in hex, 15 text, 16 vector, 17 questions of a neighbourhood at most
if redis.call('GET', KEYS[3]) == ARGV[1] then
  redis.call('DEL', KEYS[3])
end
local generation = redis.call('HMGET', KEYS[2], '*', ARGV[2], ARGV[3], ARGV[4])
for place = 1, 4 do
  generation[place] = generation[place] or '-'
end
if table.concat(generation, '|') ~= ARGV[5] then
  return 0
end
local function outlive(key)
  if redis.call('PTTL', key) < tonumber(ARGV[7]) then
    redis.call('PEXPIRE', key, ARGV[7])
  end
end
redis.call('SET', KEYS[1], ARGV[6], 'PX', ARGV[7])
redis.call('ZADD', KEYS[4], ARGV[9], ARGV[10])
if ARGV[13] ~= '' then
  redis.call('XADD', KEYS[5], 'MAXLEN', '=', ARGV[17], '*', 'k', ARGV[14], 'e', ARGV[9], 'q', ARGV[15], 'v', ARGV[16])
  outlive(KEYS[5])
  redis.call('ZADD', KEYS[4], 'GT', ARGV[9], ARGV[13])
end
outlive(KEYS[4])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', '(' .. ARGV[8])
local over = redis.call('ZCARD', KEYS[4]) - tonumber(ARGV[11])
if over > 0 then
  -- Which ends first goes first. A member begins with 'x:' or 's:' and 64 digits, which is the rest of its key.
  local gone = redis.call('ZPOPMIN', KEYS[4], over)
  for place = 1, #gone, 2 do
    redis.call('UNLINK', ARGV[12] .. string.sub(gone[place], 1, 66))
  end
end
return 1
