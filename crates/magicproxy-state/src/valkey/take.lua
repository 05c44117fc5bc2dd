
-- ARGV: now, four bounds on rows, (field, kind, number, length, holder, end)…; answers 1, how many rows more there are, their
-- latest end and what is left of each, or 0, which one (from 0), and perhaps after how many milliseconds, or what is full.
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

local counters, answer, added = {}, { 1, 0, 0 }, 0
for at = 6, #ARGV, 6 do
  local field, kind, most, length = ARGV[at], ARGV[at + 1], number(ARGV[at + 2]), number(ARGV[at + 3])
  local last, index = number(ARGV[at + 5]), (at - 6) / 6
  if last <= now then return { 0, index } end
  local counter = counters[field] or load(field, kind)
  if not counters[field] and not redis.call('HGET', key, field) then added = added + 1 end
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
  counter.last = math.max(counter.last, last)
  counters[field] = counter
  answer[#answer + 1] = left
end

local what = full(added, now, 2)
if what then return { what } end

local final = 0
for field, counter in pairs(counters) do
  redis.call('HSET', key, field, text(counter.last) .. ';' .. body_of(counter))
  final = math.max(final, counter.last)
end
if #answer > 3 then
  answer[2], answer[3] = added, final
  note_rows(added)
  stamp(now, final)
  sweep(now)
end
return answer
