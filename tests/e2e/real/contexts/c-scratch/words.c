const char *word(int i)
{
	return i ? "" : ", ";
}
