require "test_helper"

class ItemsControllerTest < ActionDispatch::IntegrationTest
  test "the page shows rows, escaped" do
    get root_url
    assert_response :success
    assert_select "li", text: "<b>tea</b>"
  end

  test "an item is added" do
    assert_difference("Item.count") { post items_url, params: { name: " milk " } }
    assert_redirected_to root_url
    assert_equal "milk", Item.last.name
  end

  test "an item without a name is refused" do
    assert_no_difference("Item.count") { post items_url, params: { name: " " } }
    assert_response :unprocessable_entity
  end
end
