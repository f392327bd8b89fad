from django.db import migrations, models


def first_item(apps, schema_editor):
    apps.get_model("items", "Item").objects.create(name="a row from the database")


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Item",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
            ],
            options={"ordering": ["id"]},
        ),
        migrations.RunPython(first_item, migrations.RunPython.noop),
    ]
