
-- ARGV: now, four bounds on rows, (field, kind, number, length, holder, end, room)…; answers 1, how many rows more there are, the number
-- of pairs that follow, (an end, how many rows more end then)…, and what is left of each; or 0, which one (from 0), and perhaps after how many milliseconds; or what is full.
local now = raised(number(ARGV[1]))

-- Pairs of a number and a word, as `1:a,2:b`.
local function pairs_in(body)
  local list = {}
  for left, right in string.gmatch(body, '(%d+):(%w+)') do list[#list + 1] = { number(left), right } end
  return list
end

local function load(field, kind)
  local last, body = counter_of(field)
  if not last or last <= now then last, body = 0, '' end
  if kind == 'total' then return { last = last, count = body == '' and 0 or number(body) } end
  return { last = last, list = pairs_in(body) }
end

local function body_of(counter)
  if counter.count then return text(counter.count) end
  local words = {}
  for at, pair in ipairs(counter.list) do words[at] = text(pair[1]) .. ':' .. pair[2] end
  return table.concat(words, ',')
end

local function keep(list, keeps)
  local kept = {}
  for _, pair in ipairs(list) do
    if keeps(pair) then kept[#kept + 1] = pair end
  end
  return kept
end

local function take_total(counter, most)
  if counter.count >= most then return nil end
  counter.count = counter.count + 1
  return most - counter.count
end

local function take_window(counter, most, length)
  local current = math.floor(now * PARTS / length)
  counter.list = keep(counter.list, function(pair) return pair[1] + PARTS >= current end)
  local list, count = counter.list, 0
  for _, pair in ipairs(list) do count = count + number(pair[2]) end
  if count >= most then
    local left = count
    for _, pair in ipairs(list) do
      left = left - number(pair[2])
      if left < most then return nil, math.ceil((pair[1] + PARTS + 1) * length / PARTS) end
    end
    return nil
  end
  local newest = list[#list]
  if newest and newest[1] == current then
    newest[2] = text(number(newest[2]) + 1)
  else
    list[#list + 1] = { current, '1' }
  end
  return most - count - 1
end

local function take_lease(counter, most, ends, holder)
  counter.list = keep(counter.list, function(pair) return pair[1] > now and pair[2] ~= holder end)
  local count = #counter.list
  if count >= most then return nil end
  counter.list[count + 1] = { ends, holder }
  return most - count - 1
end

-- How many counters live.
local function live_counters()
  local fields, count = {}, 0
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 1) == 'c' then fields[#fields + 1] = field end
  end
  for from = 1, #fields, 1000 do
    for _, value in ipairs(redis.call('HMGET', key, unpack(fields, from, math.min(from + 999, #fields)))) do
      if number(string.match(value, '^(%d+);')) > now then count = count + 1 end
    end
  end
  return count
end

-- When nothing that was taken counts any more, if that comes.
local function counts_until(counter, kind, length)
  local latest = 0
  for _, pair in ipairs(counter.list or {}) do latest = math.max(latest, pair[1]) end
  if kind == 'window' then return math.ceil((latest + PARTS + 1) * length / PARTS) end
  if kind == 'leases' then return latest end
  return LATEST
end

local counters, lefts, added, begun, before = {}, {}, 0, 0, nil
local no_room = false
for at = 6, #ARGV, 7 do
  local field, kind, most, length = ARGV[at], ARGV[at + 1], number(ARGV[at + 2]), number(ARGV[at + 3])
  local last, index = number(ARGV[at + 5]), (at - 6) / 7
  if last <= now then return { 0, index } end
  local counter = counters[field] or load(field, kind)
  if not counters[field] and not redis.call('HGET', key, field) then added = added + 1 end
  if counter.last == 0 then
    begun = begun + 1
    local room = number(ARGV[at + 6])
    if room < MOST then
      before = before or live_counters()
      if before + begun > room then no_room = true end
    end
  end
  local left, free
  if kind == 'total' then
    left = take_total(counter, most)
  elseif kind == 'window' then
    left, free = take_window(counter, most, length)
  else
    left = take_lease(counter, most, math.min(now + length, LATEST), ARGV[at + 4])
  end
  if not left then
    if free then return { 0, index, math.max(math.min(free, counter.last) - now, 0) } end
    return { 0, index }
  end
  counter.last = math.min(math.max(counter.last, last), counts_until(counter, kind, length))
  counters[field] = counter
  lefts[#lefts + 1] = left
end

if no_room then return { 5 } end

local what = full(added, now, 2)
if what then return { what } end

local final, ends = 0, {}
local function note_end(at, rows)
  ends[#ends + 1] = at
  ends[#ends + 1] = rows
end
for field, counter in pairs(counters) do
  local known = redis.call('HGET', key, field) and counter_of(field)
  if not known then
    note_end(counter.last, 1)
  elseif math.floor(known / DAY) ~= math.floor(counter.last / DAY) then
    note_end(known, -1)
    note_end(counter.last, 1)
  end
  redis.call('HSET', key, field, text(counter.last) .. ';' .. body_of(counter))
  final = math.max(final, counter.last)
end
if #lefts > 0 then
  note_rows(added)
  stamp(now, final)
  sweep(now)
end
local answer = { 1, added, #ends / 2 }
for _, list in ipairs({ ends, lefts }) do
  for _, value in ipairs(list) do answer[#answer + 1] = value end
end
return answer
