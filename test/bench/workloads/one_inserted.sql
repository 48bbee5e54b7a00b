\set phone random(30000000, 99999999)
INSERT INTO customers (name, phone, email, city) VALUES ('New', :phone, 'new@example.com', 'Arusha');
