-- One partition is one hash. Its fields: `t` the latest time of a change, `x` the latest end of anything,
-- `r` the number of rows, `q` when they were last counted one by one, `n` and a name: the end of an entry; `v` and a name: its value; `c` and a name: a counter, its end first.
-- Times are milliseconds, whole and below 2^53, and are written out in full: `tostring` would round them.
local key = KEYS[1]
local GRACE = 300000
local RECOUNT = 60000
local PARTS = 60
local DAY = 86400000
local MOST = 1000000000000
local LATEST = 100000000000000

local function text(number)
  return string.format('%.0f', number)
end

local function number(digits)
  return tonumber(digits) or error('CORRUPT: a number is none')
end

local function raised(now)
  local latest = redis.call('HGET', key, 't')
  return latest and math.max(number(latest), now) or now
end

local function stamp(now, last)
  local known = redis.call('HGET', key, 'x')
  local final = math.max(now, last, known and number(known) or 0)
  redis.call('HSET', key, 't', text(now), 'x', text(final))
  redis.call('PEXPIREAT', key, text(final + GRACE))
end

-- The end of a live entry.
local function live(name, now)
  local last = redis.call('HGET', key, 'n' .. name)
  return last and number(last) > now and last
end

-- The names of live entries that begin so, in no order.
local function named(prefix, now)
  local start = 'n' .. prefix
  local fields, names = {}, {}
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, #start) == start then fields[#fields + 1] = field end
  end
  for from = 1, #fields, 1000 do
    local to = math.min(from + 999, #fields)
    for at, last in ipairs(redis.call('HMGET', key, unpack(fields, from, to))) do
      if number(last) > now then names[#names + 1] = string.sub(fields[from + at - 1], 2) end
    end
  end
  return names
end

-- A counter's end, and the rest of it.
local function counter_of(field)
  local value = redis.call('HGET', key, field)
  if not value then return nil end
  local last, body = string.match(value, '^(%d+);(.*)$')
  if not last then error('CORRUPT: a counter is not of its form') end
  return number(last), body
end

-- The end of whatever a field holds; nothing for fields that are no row.
local function end_of(field)
  local kind = string.sub(field, 1, 1)
  if kind == 'n' then
    local last = redis.call('HGET', key, field)
    return last and number(last)
  end
  if kind == 'c' then return (counter_of(field)) end
end

local function forget(field)
  redis.call('HDEL', key, field)
  if string.sub(field, 1, 1) == 'n' then redis.call('HDEL', key, 'v' .. string.sub(field, 2)) end
end

-- Notes that there are so many rows more, or fewer. Where they were never counted, they stay so.
local function add_rows(change)
  local rows = redis.call('HGET', key, 'r')
  if rows and change ~= 0 then redis.call('HSET', key, 'r', text(math.max(number(rows) + change, 0))) end
end

-- Takes away what ended, of a few fields that chance picks.
local function sweep(now)
  local swept = 0
  for _, field in ipairs(redis.call('HRANDFIELD', key, 8)) do
    local last = end_of(field)
    if last and last + GRACE <= now then
      forget(field)
      swept = swept + 1
    end
  end
  add_rows(-swept)
end

-- Counts all rows, and takes away those that ended.
local function recount(now)
  local rows, fields = 0, redis.call('HKEYS', key)
  for _, field in ipairs(fields) do
    local last = end_of(field)
    if last and last + GRACE <= now then forget(field) elseif last then rows = rows + 1 end
  end
  if #fields > 0 then redis.call('HSET', key, 'r', text(rows), 'q', text(now)) end
  return rows
end

-- Is there room for so many rows more? If not, what is full: 2 the partition, 3 the store, 4 the allowance. `first` is the
-- first of four arguments: rows of the partition, rows left in the store, rows left of the allowance, rows to spare.
local function full(added, now, first)
  local needed = added + number(ARGV[first + 3])
  if needed <= 0 then return nil end
  local most = number(ARGV[first])
  local rows = redis.call('HGET', key, 'r')
  rows = rows and number(rows) or recount(now)
  if rows + needed > most then
    local counted = redis.call('HGET', key, 'q')
    if not counted or number(counted) + RECOUNT <= now then rows = recount(now) end
  end
  if rows + needed > most then return 2 end
  if needed > number(ARGV[first + 1]) then return 3 end
  if needed > number(ARGV[first + 2]) then return 4 end
end

-- Notes the rows that a call added, also in a partition that it made.
local function note_rows(added)
  if redis.call('HGET', key, 'r') then
    add_rows(added)
  elseif added > 0 then
    redis.call('HSET', key, 'r', text(added))
  end
end
