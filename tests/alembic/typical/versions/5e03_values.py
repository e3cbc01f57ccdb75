"""values of every type

Revision ID: 5e03
Revises: 5e02
Create Date: 2023-04-03 09:00:00

"""

from values import downgrade, upgrade

__all__ = ["downgrade", "upgrade"]
revision = "5e03"
down_revision = "5e02"
