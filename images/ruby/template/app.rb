# The web application (Rack): config.ru and puma serve it.
require "erb"
require "rack/request"
require_relative "store"

class App
  PAGE = ERB.new(<<~HTML, trim_mode: "-")
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <title>{{project}}</title>
    <h1>Hello from {{project}}</h1>
    <ul>
    <%- items.each do |name| -%>
    <li><%= ERB::Util.html_escape(name) %></li>
    <%- end -%>
    </ul>
    <form method="post" action="/items">
    <input type="text" name="name" maxlength="100" required>
    <button>Add</button>
    </form>
    <p>served by <%= ERB::Util.html_escape(instance) %></p>
    </html>
  HTML

  def initialize(store)
    @store = store
  end

  def call(env)
    request = Rack::Request.new(env)
    case [request.request_method, request.path_info]
    in ["GET" | "HEAD", "/healthz"] then text(200, "ok")
    in ["GET" | "HEAD", "/"] then index
    in ["POST", "/items"] then add(request.POST["name"])
    else text(404, "not found")
    end
  end

  private

  def index
    body = PAGE.result_with_hash(items: @store.items, instance: ENV.fetch("CODINGLAB_INSTANCE", "this machine"))
    [200, { "content-type" => "text/html; charset=utf-8" }, [body]]
  end

  def add(name)
    name = name.to_s.strip
    return text(422, "name: 1 to 100 characters") unless (1..100).cover?(name.length)

    @store.add(name)
    [303, { "location" => "/" }, []]
  end

  def text(status, body)
    [status, { "content-type" => "text/plain; charset=utf-8" }, [body]]
  end
end
