-- One partition is one hash. Its fields: `t` the latest time of a change, `x` the latest end of anything,
-- `n` and a name: the end of an entry; `v` and a name: its value; `c` and a name: a counter, its end first.
-- Times are milliseconds, whole and below 2^53, and are written out in full: `tostring` would round them.
local key = KEYS[1]
local GRACE = 300000
local PARTS = 60
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

-- Takes away what ended, of a few fields that chance picks.
local function sweep(now)
  for _, field in ipairs(redis.call('HRANDFIELD', key, 8)) do
    local kind, name = string.sub(field, 1, 1), string.sub(field, 2)
    if kind == 'n' then
      local last = redis.call('HGET', key, field)
      if last and number(last) + GRACE <= now then redis.call('HDEL', key, field, 'v' .. name) end
    elseif kind == 'c' then
      local last = counter_of(field)
      if last and last + GRACE <= now then redis.call('HDEL', key, field) end
    end
  end
end
