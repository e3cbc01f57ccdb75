"""values of every type

Revision ID: 20240102
Revises: 20240101
Create Date: 2023-04-03 09:00:00

"""

from values import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]
revision = "20240102"
down_revision = "20240101"
