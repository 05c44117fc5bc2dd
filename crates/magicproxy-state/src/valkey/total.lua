
-- The rows of all partitions, by the day in which they end: fields `d` and the day. ARGV: today, then perhaps a day and how many
-- rows more end in it. Answers how many rows there are that end today or later.
local today = number(ARGV[1])
if #ARGV > 1 then
  local field = 'd' .. ARGV[2]
  local rows = redis.call('HGET', key, field)
  redis.call('HSET', key, field, text((rows and number(rows) or 0) + number(ARGV[3])))
end
local total = 0
for _, field in ipairs(redis.call('HKEYS', key)) do
  local rows = number(redis.call('HGET', key, field))
  if number(string.sub(field, 2)) < today then redis.call('HDEL', key, field) else total = total + rows end
end
return math.max(total, 0)
