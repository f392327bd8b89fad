# The database: what DATABASE_URL says (postgres:// or mysql://), a SQLite file elsewhere.  Each thread
# of the server keeps a connection of its own; one that broke is opened anew by the next question.
require "tmpdir"
require "uri"

class Store
  # Add a step at the end; never change one that has run somewhere.
  STEPS = [
    "CREATE TABLE item (id %<id>s, name VARCHAR(100) NOT NULL)",
    "INSERT INTO item (name) VALUES ('a row from the database')"
  ].freeze

  def initialize(url = ENV.fetch("DATABASE_URL", ""), file: nil)
    @url = url
    @file = file
    @key = :"store_#{object_id}"
  end

  def items
    query("SELECT name FROM item ORDER BY id").map(&:first)
  end

  def add(name)
    query("INSERT INTO item (name) VALUES (?)", name)
  end

  # Brings the database to the form that the app expects; returns how many steps were new.
  def migrate(db = connection)
    db.query("CREATE TABLE IF NOT EXISTS migration (step INTEGER PRIMARY KEY)")
    done = db.query("SELECT step FROM migration").map { |row| row.first.to_i }
    new = STEPS.each_index.reject { |step| done.include?(step) }
    new.each do |step|
      db.query(format(STEPS[step], id: db.class::ID))
      db.query("INSERT INTO migration (step) VALUES (?)", step)
    end
    new.size
  end

  private

  def query(sql, *values)
    connection.query(sql, *values)
  rescue StandardError
    Thread.current.thread_variable_set(@key, nil)
    raise
  end

  def connection
    Thread.current.thread_variable_get(@key) || connect.tap { |db| Thread.current.thread_variable_set(@key, db) }
  end

  def connect
    return Sqlite.new(file).tap { |db| migrate(db) } if @url.empty?

    case URI(@url).scheme
    when "postgres", "postgresql" then Postgres.new(@url)
    when "mysql" then Mysql.new(URI(@url))
    else raise ArgumentError, "DATABASE_URL: postgres:// or mysql:// is understood"
    end
  end

  def file
    @file ||= File.join(File.writable?(__dir__) ? __dir__ : Dir.tmpdir, "app.db").tap do |name|
      warn "DATABASE_URL is not set: using SQLite, #{name}" unless File.exist?(name)
    end
  end

  class Sqlite
    ID = "INTEGER PRIMARY KEY AUTOINCREMENT"

    def initialize(file)
      require "sqlite3"
      @db = SQLite3::Database.new(file)
      @db.busy_timeout = 5000
    end

    def query(sql, *values) = @db.execute(sql, values)
  end

  class Postgres
    ID = "SERIAL PRIMARY KEY"

    def initialize(url)
      require "pg"
      @db = PG.connect(url)
      @db.exec("SET client_min_messages = warning")
    end

    def query(sql, *values)
      n = 0
      @db.exec_params(sql.gsub("?") { "$#{n += 1}" }, values).values
    end
  end

  class Mysql
    ID = "INTEGER AUTO_INCREMENT PRIMARY KEY"

    def initialize(uri)
      require "mysql2"
      @db = Mysql2::Client.new(
        host: uri.host, port: uri.port || 3306, database: uri.path.delete_prefix("/"), encoding: "utf8mb4",
        username: URI.decode_uri_component(uri.user.to_s), password: URI.decode_uri_component(uri.password.to_s)
      )
    end

    def query(sql, *values) = @db.prepare(sql).execute(*values, as: :array).to_a
  end
end
