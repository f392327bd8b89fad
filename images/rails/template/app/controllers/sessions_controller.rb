# Who is there: a name in the session, without a password, to start from.
class SessionsController < ApplicationController
  def create
    reset_session
    session[:user] = params[:user].to_s.strip.first(60).presence
    redirect_to root_path, status: :see_other
  end

  def show
    render plain: session[:user] || "anonymous"
  end
end
