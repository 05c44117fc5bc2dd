
-- The rows of all partitions, by the day in which they end: fields `d` and the day. ARGV: today, (a day, how many rows more end in
-- it)…. Answers how many rows there are that end today or later.
local today = number(ARGV[1])
for at = 2, #ARGV, 2 do
  local field = 'd' .. ARGV[at]
  local rows = redis.call('HGET', key, field)
  redis.call('HSET', key, field, text((rows and number(rows) or 0) + number(ARGV[at + 1])))
end
local total = 0
for _, field in ipairs(redis.call('HKEYS', key)) do
  local rows = number(redis.call('HGET', key, field))
  if number(string.sub(field, 2)) < today then redis.call('HDEL', key, field) else total = total + rows end
end
return math.max(total, 0)
