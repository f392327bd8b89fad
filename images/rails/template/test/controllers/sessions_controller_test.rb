require "test_helper"

class SessionsControllerTest < ActionDispatch::IntegrationTest
  test "nobody is logged in at first" do
    get "/whoami"
    assert_equal "anonymous", response.body
  end

  test "the session remembers the name" do
    post "/login", params: { user: "ada" }
    assert_redirected_to root_url
    get "/whoami"
    assert_equal "ada", response.body
  end
end
