# Compiles what it is sent, never runs it. A line in: {"before": text, "after": text, "mode": "rename" or "layout"};
# a line out: true, false, or null where the first text does not compile.
require "json"
require "ripper"

# Instructions without lines, columns and numbers of nodes; in mode "rename" locals are known by their place.
def bare(part, mode)
  return part unless part.is_a?(Array)
  return part.map { |each| bare(each, mode) } unless part[0] == "YARVInstructionSequence/SimpleDataFormat"
  _, _, _, _, misc, label, _, _, _, type, locals, parameters, catches, body = part
  size = misc.values_at(:arg_size, :local_size, :stack_max)
  body = body.reject { |each| each.is_a?(Integer) || each == :RUBY_EVENT_LINE }
  names = mode == "rename" ? [locals.size, parameters.to_a.map { |key, value| key == :keyword ? value.size : [key, value] }] : [locals, parameters]
  [size, mode == "rename" ? nil : label, type, names, bare(catches, mode), bare(body, mode)]
end

def compiled(text, mode)
  text = text.gsub("__LINE__", "0")
  bare(RubyVM::InstructionSequence.compile(text, "file.rb", "file.rb", 1).to_a, mode)
rescue SyntaxError, StandardError
  nil
end

$stderr.reopen(File::NULL)
$stdout.sync = true
while (line = $stdin.gets)
  question = JSON.parse(line)
  before = compiled(question["before"], question["mode"])
  puts JSON.generate(before && compiled(question["after"], question["mode"]) == before)
end
