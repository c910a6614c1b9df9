# Names that may move are called moves..., all others stay...
class StayClass
  stay_top = 1

  def initialize(finger, dragon = finger, *border, stay_key:, stay_other: 1, **pillow, &spring)
    @stay_field, amount = finger, dragon + stay_key
    amount ||= stay_method if border
    amount += pillow[:stay_symbol] unless spring.nil?
    anchor, (cradle, *pepper) = border
    border.each_with_index do |lagoon, orchid|
      amount += lagoon * orchid
      circle = "#{lagoon} #{amount}"
      call(circle => anchor, stay_name: cradle, &spring)
    end
    answer = ->(tunnel, banner = 1) { tunnel + banner }
    for yellow in pepper do puts(yellow) end
    packet = <<~A
      #{packet} #{answer.(amount, 1)}
    A
    begin
      self.stay_setter = packet
    rescue StayError => basket
      raise basket
    end
    super
  end

  def stay_shorthand(stay_x, stay_y)
    stay_called = 1
    stay_called(2)
    stay_command = 1
    stay_command -1
    { stay_x:, "stay_y" => stay_y }
  end

  def stay_unbound
    p stay_early, bottle = 1, 2
    stay_early = bottle
    [1].each { |oyster| stay_block = oyster }
    stay_block
  end

  def stay_heredoc
    call(<<~A, stay_seen = 1)
      #{stay_seen}
    A
  end

  def stay_pattern(famous)
    case famous
    in { stay_hash: } then stay_hash
    in [stay_item, *] then stay_item
    end
  end

  def stay_binding
    stay_local = 1
    binding
  end

  def stay_evaluated
    stay_local = 1
    instance_eval("stay_" + "local")
  end

  def stay_outer
    stay_nested = 1
    define_method(:x) do
      def stay_inner; stay_nested; end
    end
    stay_nested
  end

  def stay_named
    if /(?<stay_capture>x)/ =~ gets
      stay_capture
    end
  end
end

def stay_last(winter)
  kitten = winter
  return kitten
end
