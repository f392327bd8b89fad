# Rows that every fresh database begins with; must be harmless when repeated.  `bin/rails db:seed` loads it.
