class AddFirstItem < ActiveRecord::Migration[7.2]
  class Item < ActiveRecord::Base
  end

  def up
    Item.create!(name: "a row from the database")
  end

  def down
    Item.where(name: "a row from the database").delete_all
  end
end
