# Runs once for each release, before it serves; harmless when repeated.  The steps are in store.rb.
require_relative "store"

puts "migrate: #{Store.new.migrate} steps done"
