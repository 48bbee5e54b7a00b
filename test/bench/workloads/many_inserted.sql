INSERT INTO customers (name, phone, email, city)
SELECT 'New ' || n, 40000000 + n, n || '@example.com', 'Arusha' FROM generate_series(1, :customers) AS n;
