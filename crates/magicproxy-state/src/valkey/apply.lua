
-- ARGV: now, four bounds on rows, number of conditions, (kind, name, value)…, (end or '', name, value)…; answers 0 where a
-- condition does not hold, 1, how many rows more there are and their latest end, or what is full.
local now = raised(number(ARGV[1]))
local first = 7 + 3 * number(ARGV[6])

local function valued(prefix)
  local count = 0
  for _, name in ipairs(named('', now)) do
    if string.sub(redis.call('HGET', key, 'v' .. name) or '', 1, #prefix) == prefix then count = count + 1 end
  end
  return count
end

local function holds(kind, name, value)
  if kind == 'absent' then return not live(name, now) end
  if kind == 'equals' then return live(name, now) and redis.call('HGET', key, 'v' .. name) == value end
  if kind == 'valued' then return valued(name) <= number(value) end
  return #named(name, now) <= number(value)
end

for at = 7, first - 1, 3 do
  if not holds(ARGV[at], ARGV[at + 1], ARGV[at + 2]) then return { 0 } end
end

-- What of each name there will be: its end, or false.
local final, added, latest = {}, 0, 0
for at = first, #ARGV, 3 do
  local ends = ARGV[at]
  final[ARGV[at + 1]] = ends ~= '' and number(ends) > now and number(ends)
end
for name, ends in pairs(final) do
  local known = redis.call('HGET', key, 'n' .. name)
  if ends and not known then added = added + 1 end
  if known and not ends then added = added - 1 end
  latest = math.max(latest, ends or 0, known and number(known) or 0)
end
local what = full(added, now, 2)
if what then return { what } end
if #ARGV < first then return { 1, 0, 0 } end

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
note_rows(added)
stamp(now, last)
sweep(now)
return { 1, added, latest }
