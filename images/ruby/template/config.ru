# Here: puma -b tcp://0.0.0.0:$PORT
require_relative "app"

run App.new(Store.new)
