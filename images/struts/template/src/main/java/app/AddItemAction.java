package app;

import java.sql.SQLException;
import org.apache.struts2.ActionSupport;
import org.apache.struts2.interceptor.httpmethod.HttpPost;
import org.apache.struts2.interceptor.parameter.StrutsParameter;

/** POST /items: one more row. */
@HttpPost
public class AddItemAction extends ActionSupport {
	private String name = "";

	@StrutsParameter
	public void setName(String name) {
		this.name = name.strip();
	}

	@Override
	public void validate() {
		if (name.isEmpty() || name.length() > ItemDao.NAME_MAX)
			addFieldError("name", "1 to " + ItemDao.NAME_MAX + " characters");
	}

	@Override
	public String execute() throws SQLException {
		new ItemDao(Database.shared()).add(name);
		return SUCCESS;
	}
}
