from django.urls import path

from . import views

urlpatterns = [
    path("", views.index, name="index"),
    path("items", views.add, name="add"),
    path("login", views.login, name="login"),
    path("logout", views.logout, name="logout"),
    path("whoami", views.whoami, name="whoami"),
]
