from django import forms

from .models import Item


class ItemForm(forms.ModelForm):
    class Meta:
        model = Item
        fields = ["name"]


class LoginForm(forms.Form):
    user = forms.RegexField(r"^[\w.@-]+$", max_length=50)
