# What Ruby sees in a body or a query: README.md.

require "json"
require "rack/query_parser"
require "rack/utils"

def shown(value)
  case value
  when String then value.dup.force_encoding("UTF-8").scrub("\u{fffd}")
  when Float then value.finite? ? value : nil
  when Array then value.map { |each| shown(each) }
  when Hash then value.to_h { |name, each| [shown(name), shown(each)] }
  else value
  end
end

REFUSALS = [JSON::ParserError, EncodingError, ArgumentError, RangeError, Rack::QueryParser::ParameterTypeError,
            Rack::QueryParser::InvalidParameterError].freeze

def answer(form)
  read = begin
    yield
  rescue *REFUSALS
    return "error"
  end
  { form => shown(read) }
end

def seen(kind, bytes)
  case kind
  when "json" then { "ruby JSON" => answer(:json) { JSON.parse(bytes.force_encoding("UTF-8")) } }
  # Rack itself splits forms at `&` only, and queries at `;` as well.
  when "form" then { "rack form" => answer(:nested) { Rack::Utils.parse_nested_query(bytes, "&") } }
  else { "rack query" => answer(:nested) { Rack::Utils.parse_nested_query(bytes, "&;") } }
  end
end

$stdin.each_line do |line|
  request = JSON.parse(line)
  $stdout.puts JSON.generate(seen(request["kind"], request["bytes"].unpack1("m")), max_nesting: 0)
  $stdout.flush
end
