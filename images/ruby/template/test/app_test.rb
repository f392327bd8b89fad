require "minitest/autorun"
require "rack/test"
require "tempfile"
require_relative "../app"
require_relative "../main"

class AppTest < Minitest::Test
  include Rack::Test::Methods

  attr_reader :app

  def setup
    @file = Tempfile.new("app")
    @store = Store.new("", file: @file.path)
    @app = App.new(@store)
  end

  def teardown
    @file.close!
  end

  def test_health
    get "/healthz"
    assert_equal [200, "ok"], [last_response.status, last_response.body]
  end

  def test_page_shows_rows
    get "/"
    assert_includes last_response.body, "<li>a row from the database</li>"
  end

  def test_added_item_is_shown_escaped
    post "/items", name: "<b>tea</b>"
    assert_equal [303, "/"], [last_response.status, last_response["location"]]
    get "/"
    assert_includes last_response.body, "<li>&lt;b&gt;tea&lt;/b&gt;</li>"
  end

  def test_empty_name_is_refused
    post "/items", name: " "
    assert_equal 422, last_response.status
  end

  def test_unknown_path
    get "/nowhere"
    assert_equal 404, last_response.status
  end

  def test_migrations_run_once
    @store.items
    assert_equal 0, @store.migrate
  end

  def test_greeting
    assert_equal "Hello, you!", greet("you")
  end
end
