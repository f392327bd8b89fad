# A server without DATABASE_URL says so; in production form it also makes its throw-away SQLite file.
Rails.application.server do
  if ENV["DATABASE_URL"].blank?
    Rails.logger.info "DATABASE_URL is not set: using SQLite, #{ActiveRecord::Base.connection_db_config.database}"
    ActiveRecord::Tasks::DatabaseTasks.migrate if Rails.env.production?
  end
end
