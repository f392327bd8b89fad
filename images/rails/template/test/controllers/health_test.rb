require "test_helper"

class HealthTest < ActionDispatch::IntegrationTest
  test "the platform's question is answered" do
    get "/healthz"
    assert_equal [200, "ok"], [response.status, response.body]
  end
end
