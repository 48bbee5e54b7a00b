/// A column of the customers table, and the numbers in it.
#pragma once

#include "server/postgres.hpp"

namespace contact_sync
{

/// Whether values of a type are stored as text is, below any domains: text, varchar, char, citext. No other type's
/// values can be numbers: what its output function makes of them may not be one, and it is code of whoever made the
/// type.
bool is_text_type(Oid type);

/// What the catalog says of a column.
struct Column
{
	NameData name;
	bool generated;
	AttrNumber number; ///< InvalidAttrNumber where rows hold no such column: all below is unset then
	Oid type;
	int32 typmod;
	Oid collation;
	int16 length;
	bool by_value;
	bool is_text;

	/// Whether it is a column that numbers can be in.
	bool has_numbers() const { return AttributeNumberIsValid(number) && is_text; }
};

/// The column called `name` in `columns`.
Column column(TupleDesc columns, const char *name);

/// A column's value in one row.
struct Field
{
	Datum value;
	bool null;
};

Field field(const Column &column, TupleTableSlot *row);

/// Whether two values are the same, bit for bit. False negatives are possible, false positives are not.
bool same_bits(const Column &column, Field left, Field right);

/// Whether the column has numbers, and number_in() has nothing to do that could raise an ERROR: no detoasting.
bool is_plain(const Column &column, Field field);

/// The number in a text value of the database. A view into it.
std::string_view number_of(const text *value);

/// The number in the field of a column that has numbers, empty where it is null. A view into the row or into palloc'd
/// memory.
std::string_view number_in(Field field);

/// Whether the number changed between two versions of a row. Never raises: where finding out could, the answer is yes.
/// A column that does not exist does not change; any other value of one that is no text is another number.
bool may_have_changed(const Column &column, TupleTableSlot *before, TupleTableSlot *after);

/// The length in characters that a type allows (varchar(n), char(n), domains over them); -1 where it sets no bound.
int max_characters(Oid type, int32 typmod);

} // namespace contact_sync
