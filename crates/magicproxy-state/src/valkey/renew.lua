
-- ARGV: now, field, holder, length of the lease
local now = raised(number(ARGV[1]))
local field, holder = ARGV[2], ARGV[3]
local last, body = counter_of(field)
if not last or last <= now then return 0 end

local held = 0
local renewed = string.gsub(body, '(%d+):(%w+)', function(ends, of)
  if of == holder and number(ends) > now then
    held = 1
    return text(math.min(now + number(ARGV[4]), LATEST)) .. ':' .. of
  end
end)
if held == 1 then
  redis.call('HSET', key, field, text(last) .. ';' .. renewed)
  stamp(now, 0)
end
return held
