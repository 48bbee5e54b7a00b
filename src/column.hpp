/// A column of the customers table, and the numbers in it.
#pragma once

#include "postgres.hpp"

namespace contact_sync
{

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
	bool is_text; ///< its base type is stored as text is: text, varchar, char, citext
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

/// Whether number_in() has nothing to do that could raise an ERROR: no detoasting, no output function.
bool is_plain(const Column &column, Field field);

/// The number in a column's text, empty where it is null. A view into the row or into palloc'd memory.
std::string_view number_in(const Column &column, Field field);

/// Whether the number changed between two versions of a row. Never raises: where finding out could, the answer is yes.
/// A column that does not exist does not change.
bool may_have_changed(const Column &column, TupleTableSlot *before, TupleTableSlot *after);

/// Whether values of a base type are stored as those of text are: text, varchar, char, citext.
bool is_text(Oid type);

/// The length in characters that a type allows (varchar(n), char(n), domains over them); -1 where it sets no bound.
int max_characters(Oid type, int32 typmod);

} // namespace contact_sync
