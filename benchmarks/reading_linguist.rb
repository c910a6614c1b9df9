# What GitHub linguist says of the files of a tree whose names come on standard input, NUL between them: one JSON line
# each. For benchmarks/reading.py; wants the gem github-linguist.
require "linguist"
require "linguist/file_blob"
require "json"

STDIN.each_line("\0", chomp: true) do |path|
  blob = Linguist::FileBlob.new(File.join(ARGV[0], path), ARGV[0])
  language = blob.language
  is_code = !language.nil? && %i[programming markup].include?(language.type)
  left_out = blob.vendored? || blob.generated? || blob.binary?
  puts JSON.generate([path.force_encoding("UTF-8").scrub, is_code, left_out])
end
