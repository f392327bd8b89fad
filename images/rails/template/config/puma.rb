# Processes: WEB_CONCURRENCY (in a deployment 2); threads of each: RAILS_MAX_THREADS.  On SIGTERM puma
# takes no more, ends the requests in flight and leaves with 0.
threads_count = ENV.fetch("RAILS_MAX_THREADS", 5).to_i
threads threads_count, threads_count
port ENV.fetch("PORT", 3000)

if ENV["RAILS_ENV"] == "production"
  environment "production"
  workers ENV.fetch("WEB_CONCURRENCY", 2).to_i
  preload_app!
  drain_on_shutdown
  raise_exception_on_sigterm false
end

pidfile ENV["PIDFILE"] if ENV["PIDFILE"]
plugin :tmp_restart
