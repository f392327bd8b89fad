class ItemsController < ApplicationController
  def index
    @items = Item.order(:id)
  end

  def create
    item = Item.new(name: params[:name].to_s.strip)
    if item.save
      redirect_to root_path, status: :see_other
    else
      render plain: item.errors.full_messages.to_sentence, status: :unprocessable_entity
    end
  end
end
