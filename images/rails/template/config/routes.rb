Rails.application.routes.draw do
  # The platform asks /healthz; it answers without the database.  /up is Rails's own.
  get "healthz" => ->(_env) { [200, { "content-type" => "text/plain" }, ["ok"]] }
  get "up" => "rails/health#show", as: :rails_health_check

  resources :items, only: %i[create]
  post "login" => "sessions#create"
  get "whoami" => "sessions#show"

  root "items#index"
end
