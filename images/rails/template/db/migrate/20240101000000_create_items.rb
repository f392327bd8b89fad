class CreateItems < ActiveRecord::Migration[7.2]
  def change
    create_table :items do |t|
      t.string :name, null: false, limit: 100
      t.timestamps
    end
  end
end
