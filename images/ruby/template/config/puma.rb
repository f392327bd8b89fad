# In a deployment.  On SIGTERM puma takes no more, ends the requests in flight and leaves with 0.
port ENV.fetch("PORT", 8000)
workers ENV.fetch("WEB_CONCURRENCY", 2).to_i
threads_count = ENV.fetch("MAX_THREADS", 5).to_i
threads threads_count, threads_count
environment ENV.fetch("RACK_ENV", "production")
preload_app!
drain_on_shutdown
raise_exception_on_sigterm false
