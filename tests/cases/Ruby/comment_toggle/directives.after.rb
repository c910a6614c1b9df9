#!/usr/bin/env ruby
# frozen_string_literal: true

require "set"

module Counted # :nodoc:
  class Counter < Set
    # @type ivar @total: Integer
    WORDS = %w(
      # no comment
      word)

    def total(rows, *more) # rubocop:disable Metrics
      text = <<~A + format(<<-'B', rows)
        # stays #{rows # stays, too
        }
      A
        # stays
        B
      rows
        .map { |row| row + 1 }
        .select(&:odd?)
    rescue
      /# no comment/ =~ "#{text} # none" ? ?# : :"# none"
    ensure
    end

    def each
    end
    def last
      return 1 if @rows

      2
    end
  end
end
__END__
# stays
