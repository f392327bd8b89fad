require_relative "boot"

# The parts of Rails that the application uses; add a line to use another (action_mailer/railtie,
# active_job/railtie, active_storage/engine, action_cable/engine ...).
require "rails"
require "active_model/railtie"
require "active_record/railtie"
require "action_controller/railtie"
require "action_view/railtie"
require "rails/test_unit/railtie"

Bundler.require(*Rails.groups)

module App
  class Application < Rails::Application
    config.load_defaults 7.2
    config.autoload_lib(ignore: %w[tasks])
    config.generators.system_tests = nil

    # Sessions live in an encrypted cookie, so any instance can answer the next request.
    config.session_store :cookie_store, key: "_app_session"
  end
end
