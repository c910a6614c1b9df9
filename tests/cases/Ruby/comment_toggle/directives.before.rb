#!/usr/bin/env ruby
# What the script does.
# frozen_string_literal: true

require "set" # a library

=begin
A block of
=end
module Counted # :nodoc:
  # Plain documentation goes.
  class Counter < Set
    # @type ivar @total: Integer
    WORDS = %w(
      # no comment
      word) # words

    def total(rows, *more) # rubocop:disable Metrics
      text = <<~A + format(<<-'B', rows) # two of them
        # stays #{rows # stays, too
        }
      A
        # stays
        B
      # inside a chain
      rows
        .map { |row| row + 1 } # one
        # two
        .select(&:odd?)
    rescue # nothing
      /# no comment/ =~ "#{text} # none" ? ?# : :"# none"
    ensure
      # only a comment
    end

    def each # nothing
    end
    def last
      return 1 if @rows

      2
    end
  end
end
__END__
# stays
