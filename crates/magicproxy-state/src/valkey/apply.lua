
-- ARGV: now, number of conditions, (kind, name, value)…, (end or '', name, value)…
local now = raised(number(ARGV[1]))
local first = 3 + 3 * number(ARGV[2])

local function holds(kind, name, value)
  if kind == 'absent' then return not live(name, now) end
  if kind == 'equals' then return live(name, now) and redis.call('HGET', key, 'v' .. name) == value end
  return #named(name, now) <= number(value)
end

for at = 3, first - 1, 3 do
  if not holds(ARGV[at], ARGV[at + 1], ARGV[at + 2]) then return 0 end
end
if #ARGV < first then return 1 end

local last = 0
for at = first, #ARGV, 3 do
  local ends, name, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if ends ~= '' and number(ends) > now then
    redis.call('HSET', key, 'n' .. name, ends, 'v' .. name, value)
    last = math.max(last, number(ends))
  else
    redis.call('HDEL', key, 'n' .. name, 'v' .. name)
  end
end
stamp(now, last)
sweep(now)
return 1
