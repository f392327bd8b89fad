require "test_helper"

class ItemTest < ActiveSupport::TestCase
  test "a name is needed" do
    assert_not Item.new(name: "").valid?
  end

  test "a name has at most 100 characters" do
    assert Item.new(name: "a" * 100).valid?
    assert_not Item.new(name: "a" * 101).valid?
  end
end
