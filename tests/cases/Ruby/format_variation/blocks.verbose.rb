# frozen_string_literal: true

=begin
    stays
=end
module Names
        LIST = [
                "first",
                "second",
                "third",
                %w(a   b),
                %i(c   d)
        ].freeze


        attr_reader :a,:b

        class << self
                def all(
                        prefix,
                        limit = 3,
                        *rest,
                        key: nil,
                        &block
                )

                        found = {
                                :a=>1,
                                "b" => [1, 2],
                                c: /x  y/
                        }

                        text = join(<<~A, prefix, limit, <<-'B') + join(found, limit, rest, key)
        some   text

          #{prefix}
      A
        more
        B

                        if limit > 3 && !prefix
                                found.each do |name, value|
                                        puts -1, name, [value]
                                end
                        elsif rest then return
                        else
                                call(
                                        found,
                                        text
                                )
                        end

                        case limit
                        when 1, 2 then yield 1
                        when Integer
                                :whole
                        end
                rescue TypeError => error
                        raise
                ensure
                        found
                                .map { |x| x * 2 }
                                .select(&:odd?)
                end

                def one_line = 1
        end
end
__END__


    stays
