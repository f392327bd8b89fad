# Everything that differs between deployments comes from the environment: PORT, DATABASE_URL,
# SECRET_KEY_BASE, RAILS_LOG_LEVEL, FORCE_SSL.
Rails.application.configure do
  config.enable_reloading = false
  config.eager_load = true
  config.consider_all_requests_local = false
  config.action_controller.perform_caching = true
  config.cache_store = :memory_store

  # The web tier speaks plain HTTP inside; FORCE_SSL=1 where TLS ends in front of it.
  config.force_ssl = ENV["FORCE_SSL"] == "1"

  config.logger = ActiveSupport::TaggedLogging.new(Logger.new($stdout))
  config.log_tags = [:request_id]
  config.log_level = ENV.fetch("RAILS_LOG_LEVEL", "info")

  config.i18n.fallbacks = true
  config.active_support.report_deprecations = false
  config.active_record.dump_schema_after_migration = false
  config.active_record.attributes_for_inspect = [:id]
end
