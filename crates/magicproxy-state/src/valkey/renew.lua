
-- ARGV: now, field, holder, length of the lease
local now = raised(number(ARGV[1]))
local field, holder = ARGV[2], ARGV[3]
local last, body = counter_of(field)
if not last or last <= now then return 0 end

local held, final = 0, last
local renewed = string.gsub(body, '(%d+):(%w+)', function(ends, of)
  if of == holder and number(ends) > now then
    held = 1
    local renewal = math.min(now + number(ARGV[4]), LATEST)
    final = math.max(final, renewal)
    return text(renewal) .. ':' .. of
  end
end)
if held == 1 then
  redis.call('HSET', key, field, text(final) .. ';' .. renewed)
  stamp(now, final)
end
return held
