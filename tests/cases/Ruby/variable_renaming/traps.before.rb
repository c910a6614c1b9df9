# Names that may move are called moves..., all others stay...
class StayClass
  stay_top = 1

  def initialize(moves_a, moves_b = moves_a, *moves_rest, stay_key:, stay_other: 1, **moves_options, &moves_block)
    @stay_field, moves_sum = moves_a, moves_b + stay_key
    moves_sum ||= stay_method if moves_rest
    moves_sum += moves_options[:stay_symbol] unless moves_block.nil?
    moves_first, (moves_second, *moves_third) = moves_rest
    moves_rest.each_with_index do |moves_row, moves_index|
      moves_sum += moves_row * moves_index
      moves_inner = "#{moves_row} #{moves_sum}"
      call(moves_inner => moves_first, stay_name: moves_second, &moves_block)
    end
    moves_adder = ->(moves_x, moves_y = 1) { moves_x + moves_y }
    for moves_each in moves_third do puts(moves_each) end
    moves_text = <<~A
      #{moves_text} #{moves_adder.(moves_sum, 1)}
    A
    begin
      self.stay_setter = moves_text
    rescue StayError => moves_error
      raise moves_error
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
    p stay_early, moves_late = 1, 2
    stay_early = moves_late
    [1].each { |moves_one| stay_block = moves_one }
    stay_block
  end

  def stay_heredoc
    call(<<~A, stay_seen = 1)
      #{stay_seen}
    A
  end

  def stay_pattern(moves_value)
    case moves_value
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

def stay_last(moves_only)
  moves_last = moves_only
  return moves_last
end
