package app;

import org.apache.struts2.ActionSupport;
import org.apache.struts2.ServletActionContext;
import org.apache.struts2.interceptor.httpmethod.HttpPost;
import org.apache.struts2.interceptor.parameter.StrutsParameter;

/** POST /login: a name without a password; the place for your own way to know people. */
@HttpPost
public class LoginAction extends ActionSupport {
	private String user = "";

	@StrutsParameter
	public void setUser(String user) {
		this.user = user.strip();
	}

	@Override
	public void validate() {
		if (user.isEmpty() || user.length() > 100)
			addFieldError("user", "1 to 100 characters");
	}

	@Override
	public String execute() {
		Login.shared().set(ServletActionContext.getRequest(), ServletActionContext.getResponse(), user);
		return SUCCESS;
	}
}
